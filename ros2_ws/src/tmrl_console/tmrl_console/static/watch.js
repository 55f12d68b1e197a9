// A past episode's video, beside the cameras: what moves now stays in sight.

import { byId, make } from "./page.js";

export class Watch {
  constructor() {
    this.asked = 0;
    this.doubted = "";
    byId("watch-close").addEventListener("click", () => this.close());
    byId("watch-video").addEventListener("ended", (event) => (event.target.currentTime = 0));
  }

  async show(episode, word) {
    const mine = ++this.asked;
    this.clear();
    byId("watch").hidden = false;
    this.say(`Episode ${episode}: making the video`);
    let answer;
    try {
      answer = await fetch(`/episodes/${episode}/video`);
      if (!answer.ok) throw new Error(await answer.text());
      const content = await answer.blob();
      if (mine !== this.asked) return;
      const video = byId("watch-video");
      video.src = URL.createObjectURL(content);
      video.hidden = false;
      this.say(word ? `Episode ${episode}: ${word}` : `Episode ${episode}`);
      // A browser that does not play by itself shows its button.
      await video.play().catch(() => {});
    } catch (error) {
      if (mine === this.asked) this.say(`Episode ${episode}: ${error.message}`);
    }
  }

  close() {
    this.asked++;
    this.clear();
    byId("watch").hidden = true;
  }

  clear() {
    const video = byId("watch-video");
    video.hidden = true;
    if (video.src) URL.revokeObjectURL(video.src);
    video.removeAttribute("src");
    video.load();
  }

  say(text) {
    byId("watch-word").textContent = text;
  }

  // Labels that the success head would not have given, each a button that shows the episode.
  doubts(episodes, labelOf) {
    const text = episodes.join(" ");
    if (text === this.doubted) return;
    this.doubted = text;
    byId("doubts").hidden = !episodes.length;
    byId("doubts").replaceChildren(
      "Look again:",
      ...episodes.slice(0, 4).map((episode) => {
        const button = make("button", { textContent: `${episode}`, type: "button" });
        button.addEventListener("click", () => {
          button.blur();
          this.show(episode, labelOf(episode));
        });
        return button;
      }),
    );
  }
}

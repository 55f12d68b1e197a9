// What is shown: one place that turns the state into words and colours.

import { drawChunks, drawCurve, episodeAt } from "./charts.js";
import { byId, make, say } from "./page.js";
import { Watch } from "./watch.js";

const EPISODE = {
  idle: ["Idle", "Press Start when the scene is set up."],
  resetting: ["Resetting", "Put the scene back. When it is, press Scene is ready."],
  ready: ["Ready", "The episode begins by itself."],
  running: ["Running", "Success or Failure ends the episode. Hold Space to take over."],
  labelling: ["Label it", "Did the episode succeed? Press Success or Failure."],
  paused: ["Paused", "Press Continue when it is put right."],
};
const START = { resetting: "Scene is ready", paused: "Continue" };
const ANSWER_MS = 8000;
const REDRAW_MS = 200;

export class View {
  constructor() {
    this.state = {};
    this.up = false;
    this.driving = false;
    this.watch = new Watch();
    byId("curve").addEventListener("click", (event) => this.showEpisodeAt(event.offsetX));
    window.addEventListener("resize", () => this.redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  show(state, changed) {
    this.state = state;
    if (changed.about) this.about(changed.about);
    if (changed.alive) this.alive(changed.alive.parts);
    if (changed.success_head) {
      this.watch.doubts(changed.success_head.look_again, (episode) => this.labelOf(episode));
    }
    this.banner();
    this.numbers();
    if (changed.about || changed.episodes || changed.chunks) this.redraw();
  }

  showEpisodeAt(left) {
    const found = episodeAt(byId("curve"), this.state.episodes?.list ?? [], left);
    if (found && this.state.run?.is_recorded) this.watch.show(found.episode, this.labelOf(found.episode));
  }

  labelOf(episode) {
    return this.state.episodes?.list.find((each) => each.episode === episode)?.outcome.toLowerCase() ?? "";
  }

  about({ robot, session }) {
    say("robot", robot);
    say("session", session);
    document.title = `${robot} · TMRL console`;
  }

  link(up, round_trip_ms) {
    this.up = up;
    this.round_trip_ms = round_trip_ms ?? this.round_trip_ms;
    this.banner();
    this.numbers();
  }

  banner() {
    const { kind, title, hint } = this.summary();
    const banner = byId("banner");
    if (banner.className !== kind) banner.className = kind;
    say("state", title);
    say("hint", hint);
    const episode = this.state.episode;
    say("episode", episode?.number ? `Episode ${episode.number}` : "");
    const part = episode?.elapsed_s != null ? episode.elapsed_s / episode.time_limit_s : 0;
    byId("clock").hidden = !part || this.state.controller?.mode === "estop";
    say("clock", part ? `${episode.elapsed_s.toFixed(0)} of ${episode.time_limit_s.toFixed(0)} s` : "");
    byId("progress").firstElementChild.style.width = `${100 * Math.min(1, part)}%`;
    byId("progress").hidden = !part;
    this.buttons();
  }

  summary() {
    const { controller, episode } = this.state;
    if (!this.up) {
      return {
        kind: "offline",
        title: "No connection",
        hint: "What is shown is old, and no button works. Use the hardware e-stop.",
      };
    }
    if (controller?.mode === "estop") {
      return { kind: "estop", title: "E-stop", hint: `${sentence(controller.reason)} Make it safe, then clear the e-stop.` };
    }
    if (controller?.mode === "fault") {
      return { kind: "estop", title: "Fault", hint: controller.reason };
    }
    if (controller?.mode === "teleop") {
      const who = this.driving ? "You drive" : "A person drives";
      return { kind: "teleop", title: who, hint: this.driving ? "Let go and the arm holds." : controller.reason };
    }
    if (!episode) {
      return { kind: "offline", title: "No session", hint: "The operator's node has said nothing yet." };
    }
    const [title, hint] = EPISODE[episode.state];
    // An episode whose arm holds is not running to whoever looks at it.
    if (episode.state === "running" && controller?.mode === "hold") {
      return { kind: "paused", title: "Arm holds", hint: `${sentence(controller.reason)} Resume policy (R) continues.` };
    }
    const why = episode.reason && episode.state !== "running" ? episode.reason : "";
    const waits = episode.state === "running" && this.state.agent?.reason;
    return { kind: episode.state, title, hint: why ? `${sentence(why)} ${hint}` : sentence(waits || hint) };
  }

  buttons() {
    const { controller, episode } = this.state;
    const stopped = controller?.mode === "estop";
    byId("clear").hidden = !stopped;
    byId("estop").classList.toggle("latched", stopped);
    const start = byId("start");
    const phase = episode?.state;
    start.querySelector("span").textContent = START[phase] ?? "Start";
    start.classList.toggle("quiet", stopped || !["idle", "resetting", "paused"].includes(phase));
    const label = phase === "running" || phase === "labelling";
    for (const name of ["success", "failure"]) {
      document.querySelector(`[data-do=${name}]`).classList.toggle("quiet", !label);
      document.querySelector(`[data-do=${name}]`).classList.toggle("due", phase === "labelling");
    }
    const suggestion = byId("suggestion");
    suggestion.hidden = !episode?.suggestion;
    if (episode?.suggestion) {
      const detail = episode.suggestion_detail ? `: ${episode.suggestion_detail}` : "";
      const sure = `${Math.round(100 * episode.confidence)} %`;
      say("suggestion", `A detector says ${episode.suggestion.toLowerCase()}, ${sure} sure${detail}`);
      for (const name of ["success", "failure"]) {
        const suggested = episode.suggestion === name.toUpperCase();
        document.querySelector(`[data-do=${name}]`).classList.toggle("due", suggested);
      }
    }
  }

  alive(parts) {
    byId("alive").replaceChildren(
      ...parts.map(({ part, state, reason }) =>
        make("li", { className: state, title: reason || "well", textContent: part }),
      ),
    );
  }

  numbers() {
    const { agent, arm, controller, learner, run, success_head, take_overs } = this.state;
    const rows = [
      ["Who drives", this.up ? driver(controller?.mode, this.driving) : "?"],
      ["Take-overs", take_overs ? `${take_overs.in_episode} · ${take_overs.per_minute}/min` : "–"],
      ["Refused chunks", controller ? `${controller.refused} of ${controller.accepted + controller.refused}` : "–", controller?.last_refusal],
      ["Clamped steps", controller ? `${controller.clamped}` : "–"],
      ["Learner", learner ? `${learner.phase} · ${learner.rounds_owed} owed` : "–", learner?.reason],
      ["Transitions", learner ? `${learner.transitions}` : "–"],
      ["Chunk", agent ? `${agent.round_trip_ms} ms` : "–", agent?.waits_for],
      ["Disk", run?.free_gb != null ? `${run.free_gb} GB free` : "–"],
      ["Success head", success_head?.state ?? "–", success_head?.state],
      ["Page", this.round_trip_ms != null ? `${Math.round(this.round_trip_ms)} ms` : "–"],
      ["Tool, mm", arm ? arm.tool_mm.join(" ") : "–", arm?.fault],
    ];
    const list = byId("numbers");
    rows.forEach(([name, value, title], row) => {
      let entry = list.children[row];
      if (!entry) {
        entry = make("div", {}, make("dt", { textContent: name }), make("dd"));
        list.append(entry);
      }
      if (entry.lastChild.textContent !== value) entry.lastChild.textContent = value;
      entry.title = title ?? "";
    });
  }

  // Chunks of a simulation may come faster than anybody looks.
  redraw() {
    this.due ??= setTimeout(() => {
      this.due = undefined;
      this.charts();
    }, REDRAW_MS);
  }

  charts() {
    const { chunks, controller, episodes } = this.state;
    say("rate", drawCurve(byId("curve"), episodes?.list ?? []));
    const caps = { sigma: controller?.sigma_cap ?? 1, z: controller?.z_cap ?? 1 };
    const [sigma, z] = drawChunks(byId("chunks"), chunks?.list ?? [], caps);
    say("sigma", sigma);
    say("z", z);
  }

  drive({ driving, why }) {
    this.driving = driving;
    const word = byId("drive-word");
    word.classList.toggle("refused", Boolean(why));
    word.textContent = why || (driving ? "You drive. Arrows move, Page up and down lift and lower." : "Let go; the arm holds.");
    this.banner();
  }

  answer({ success, message }) {
    const line = byId("answer");
    line.textContent = message[0].toUpperCase() + message.slice(1);
    line.className = success ? "done" : "refused";
    clearTimeout(this.fade);
    this.fade = setTimeout(() => (line.className = ""), ANSWER_MS);
  }
}

function sentence(text) {
  return text ? `${text[0].toUpperCase()}${text.slice(1).replace(/\.$/, "")}.` : "";
}

function driver(mode, mine) {
  return { policy: "the policy", teleop: mine ? "you" : "a person", hold: "nobody", estop: "nobody", fault: "nobody" }[mode] ?? "–";
}

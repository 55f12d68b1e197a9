// Cameras: one socket each; a picture is asked for when the one before is on the screen.

import { byId, make } from "./page.js";

const RETRY_MS = 1000;
const STALE_MS = 2000;

let cameras = [];

export function showCameras(names, session) {
  const box = byId("cameras");
  if (box.dataset.names === names.join()) return;
  box.dataset.names = names.join();
  cameras = names.map((name) => new Camera(name, session));
  box.replaceChildren(...cameras.map(({ element }) => element));
  box.dataset.count = names.length;
  if (!names.length) box.append(make("p", { textContent: "This rig shows no camera here." }));
}

export function followEpisode(episode) {
  for (const camera of cameras) camera.follow(episode?.state);
}

class Camera {
  constructor(name, session) {
    this.name = name;
    this.image = make("img", { alt: `camera ${name}`, draggable: false });
    // How the scene looked when the session's first episode began: over the picture during a reset.
    this.begun = make("img", { className: "begun", alt: "", draggable: false });
    this.key = `tmrl-begun ${session} ${name}`;
    const kept = sessionStorage.getItem(this.key);
    if (kept) this.begun.src = kept;
    this.word = make("span", { textContent: "waits for a picture" });
    const faint = make("span", { className: "faint-word", textContent: "faint: the first episode's start" });
    this.element = make("figure", {}, this.image, this.begun, make("figcaption", {}, `${name} `, this.word, faint));
    this.connect();
    setInterval(() => this.age(), 500);
    document.addEventListener("visibilitychange", () => this.wanted());
  }

  // A hidden page watches nothing: the simulation then renders nothing for it.
  wanted() {
    if (document.hidden) this.socket?.close();
    else if (!this.socket) this.connect();
  }

  connect() {
    if (document.hidden || !this.element.isConnected && this.socket) return;
    const secure = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${secure}://${location.host}/camera/${this.name}`);
    socket.binaryType = "blob";
    this.socket = socket;
    socket.onmessage = async (event) => {
      if (typeof event.data === "string") this.complain(event.data);
      else await this.draw(event.data);
      if (socket.readyState === WebSocket.OPEN) socket.send("shown");
    };
    socket.onclose = () => {
      this.socket = null;
      setTimeout(() => this.socket || this.connect(), RETRY_MS);
    };
  }

  follow(phase) {
    this.phase = phase;
    this.element.classList.toggle("compared", phase === "resetting" && this.begun.hasAttribute("src"));
  }

  keep(blob) {
    const reader = new FileReader();
    reader.onload = () => {
      this.begun.src = reader.result;
      try {
        sessionStorage.setItem(this.key, reader.result);
      } catch {
        // A full store only means that it is gone with the page.
      }
    };
    reader.readAsDataURL(blob);
  }

  async draw(blob) {
    const old = this.image.src;
    this.image.src = URL.createObjectURL(blob);
    try {
      await this.image.decode();
    } catch {
      this.complain("a picture is broken");
    }
    if (old) URL.revokeObjectURL(old);
    if (this.phase === "running" && !this.begun.hasAttribute("src")) this.keep(blob);
    this.at = performance.now();
    this.age();
  }

  complain(text) {
    this.word.textContent = text;
    this.element.classList.add("stale");
  }

  age() {
    if (this.at === undefined) return;
    const age = performance.now() - this.at;
    this.element.classList.toggle("stale", age > STALE_MS);
    this.word.textContent = age > STALE_MS ? `no picture for ${Math.round(age / 1000)} s` : "";
  }
}

// A person drives: the switch is held, and said to be held twenty times per second.

import { byId, make } from "./page.js";

const PERIOD_MS = 50;
const MOVES = [
  ["up", "↑ up"], ["forward", "▲"], ["down", "↓ down"],
  ["left", "◀"], ["back", "▼"], ["right", "▶"],
  ["open", "open"], ["turn_left", "↺"], ["turn_right", "↻"], ["close", "close"],
];
const TURNS = ["roll_left", "roll_right", "pitch_up", "pitch_down"];
const KNOWN = new Set([...MOVES.map(([action]) => action), ...TURNS]);

export class Drive {
  constructor(send, tell) {
    this.send = send;
    this.tell = tell;
    this.held = false;
    this.refused = "";
    this.actions = new Set();
    this.makePad();
  }

  makePad() {
    const held = byId("deadman");
    held.addEventListener("pointerdown", (event) => {
      held.setPointerCapture(event.pointerId);
      this.hold();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      held.addEventListener(end, () => this.letGo());
    }
    for (const [action, label] of MOVES) {
      const button = make("button", { textContent: label, tabIndex: -1 });
      button.dataset.move = action;
      button.addEventListener("pointerdown", (event) => {
        button.setPointerCapture(event.pointerId);
        this.press(action);
      });
      for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
        button.addEventListener(end, () => this.unpress(action));
      }
      byId("pad").append(button);
    }
  }

  hold() {
    if (this.held) return;
    this.held = true;
    this.refused = "";
    this.timer = setInterval(() => this.say(), PERIOD_MS);
    this.say();
    byId("deadman").classList.add("held");
  }

  say() {
    this.send([...this.actions]);
  }

  letGo(why = "") {
    this.actions.clear();
    this.mark();
    if (!this.held) return;
    this.held = false;
    clearInterval(this.timer);
    this.send(null);
    byId("deadman").classList.remove("held");
    this.tell({ driving: false, why: why || this.refused });
  }

  // Whether the key is one that moves the arm.
  press(action) {
    if (!KNOWN.has(action)) return false;
    this.actions.add(action);
    this.mark();
    if (this.held) this.say();
    return true;
  }

  unpress(action) {
    this.actions.delete(action);
    this.mark();
    if (this.held) this.say();
  }

  mark() {
    for (const button of byId("pad").children) {
      button.classList.toggle("held", this.actions.has(button.dataset.move));
    }
  }

  answered(refusal) {
    if (!this.held) return;
    this.refused = refusal;
    this.tell({ driving: !refusal, why: refusal });
  }
}

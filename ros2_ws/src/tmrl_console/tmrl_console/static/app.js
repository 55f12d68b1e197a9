// The page: connects what a person does to the socket, and what the socket brings to the view.

import { followEpisode, showCameras } from "./cameras.js";
import { Drive } from "./drive.js";
import { listenToKeys, showKeys } from "./keys.js";
import { Link } from "./link.js";
import { byId } from "./page.js";
import { View } from "./view.js";

const NAME = "tmrl-name";
const view = new View();
const link = new Link({ onState, onAnswer: (answer) => view.answer(answer), onDrive, onLink });
const drive = new Drive((held) => link.send({ drive: held }), (word) => view.drive(word));

function onState(state, changed) {
  view.show(state, changed);
  if (changed.about) {
    keys.use(changed.about.keys);
    showKeys(changed.about.keys);
    showCameras(changed.about.cameras, changed.about.session);
  }
  if (changed.about || changed.episode) followEpisode(state.episode);
}

function onDrive(refusal) {
  drive.answered(refusal);
}

function onLink(up, round_trip_ms) {
  if (!up) drive.letGo("The connection is lost.");
  view.link(up, round_trip_ms);
}

// Those name the episode that the person saw: one that comes late finds no other.
const ABOUT_AN_EPISODE = new Set(["success", "failure", "discard"]);

function ask(verb, name = byId("name").value.trim()) {
  const episode = ABOUT_AN_EPISODE.has(verb) ? (link.state.episode?.number ?? 0) : 0;
  if (!link.command(verb, name, episode)) {
    view.answer({
      success: false,
      message: `Not connected: ${verb} was not sent.${verb === "estop" ? " Press the hardware e-stop." : ""}`,
    });
  }
}

const keys = listenToKeys({
  press: (action) => (action === "drive" ? drive.hold() : drive.press(action) || ask(action)),
  release: (action) => (action === "drive" ? drive.letGo() : drive.unpress(action)),
});

for (const button of document.querySelectorAll("[data-do]")) {
  // On the way down, as a key: nobody means to cancel a stop by sliding off it.
  const immediate = button.dataset.do === "estop" || button.dataset.do === "hold";
  button.addEventListener(immediate ? "pointerdown" : "click", () => ask(button.dataset.do));
  // Space would press a focused button; here it drives.
  button.addEventListener("keydown", (event) => event.code === "Space" && event.preventDefault());
  button.addEventListener("keyup", (event) => event.code === "Space" && event.preventDefault());
  button.addEventListener("click", () => button.blur());
}

const clearing = byId("clearing");
byId("clear").addEventListener("click", () => {
  byId("clearing-name").value = byId("name").value;
  clearing.returnValue = "no";
  clearing.showModal();
});
clearing.addEventListener("cancel", (event) => event.preventDefault());
clearing.addEventListener("close", () => {
  const name = byId("clearing-name").value.trim();
  if (clearing.returnValue === "yes" && name) ask("clear_estop", name);
});

byId("name").value = localStorage.getItem(NAME) ?? "";
byId("name").addEventListener("change", () => localStorage.setItem(NAME, byId("name").value.trim()));
byId("name").addEventListener("keydown", (event) => event.key === "Enter" && event.target.blur());

for (const gone of ["blur", "pagehide"]) {
  window.addEventListener(gone, () => {
    keys.forget();
    drive.letGo("The page lost the keyboard.");
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    keys.forget();
    drive.letGo("The page was hidden.");
  }
});
window.addEventListener("contextmenu", (event) => event.preventDefault());

// Keys and pedals: by their place (event.code), as the rig maps them.

const AGAIN_MS = 250;
const SHOWN = { Escape: "Esc", Comma: ",", Period: "." };
const MOVES = new Set(
  ("drive forward back left right up down roll_left roll_right pitch_up pitch_down turn_left " +
    "turn_right open close").split(" "),
);

export function keyName(code) {
  return SHOWN[code] ?? code.replace(/^(Key|Digit)/, "");
}

// Calls press(action) and release(action); a key that repeats, as some pedals' do, counts once.
export function listenToKeys({ press, release }) {
  let map = {};
  const down = new Set();
  const last = new Map();

  function typing(event) {
    return event.target.matches?.("input, textarea");
  }

  window.addEventListener(
    "keydown",
    (event) => {
      const action = map[event.code] ?? (event.code === "Escape" ? "estop" : undefined);
      if (!action || (action !== "estop" && (typing(event) || event.ctrlKey || event.metaKey || event.altKey))) return;
      event.preventDefault();
      if (event.repeat || down.has(event.code)) return;
      down.add(event.code);
      // When it was pressed, not when a busy page gets round to it.
      const pressed = event.timeStamp;
      const repeated = pressed - (last.get(event.code) ?? -Infinity) < AGAIN_MS;
      last.set(event.code, pressed);
      // Driving may be as quick as the fingers are, and a stop is never too often.
      if (repeated && !MOVES.has(action) && action !== "estop") return;
      press(action);
    },
    true,
  );
  window.addEventListener(
    "keyup",
    (event) => {
      down.delete(event.code);
      if (map[event.code]) release(map[event.code]);
    },
    true,
  );
  return {
    use: (keys) => (map = keys),
    forget: () => down.clear(),
  };
}

// Writes on each button the keys that do the same.
export function showKeys(map) {
  for (const button of document.querySelectorAll("[data-do], [data-hold]")) {
    const action = button.dataset.do ?? button.dataset.hold;
    const codes = Object.keys(map).filter((code) => map[code] === action);
    const label = button.querySelector("kbd");
    if (label) label.textContent = codes.map(keyName).join(" ");
  }
}

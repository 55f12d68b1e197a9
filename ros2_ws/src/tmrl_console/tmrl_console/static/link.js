// The socket: the state as it changes, commands with an answer each, and how far away all that is.

const RETRY_MS = 1000;
const PING_MS = 1000;
const SILENT_MS = 3000;

export class Link {
  constructor(handlers) {
    this.handlers = handlers;
    this.state = {};
    this.next = 1;
    this.heard = 0;
    this.open();
    setInterval(() => this.ping(), PING_MS);
  }

  open() {
    const secure = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${secure}://${location.host}/ws`);
    this.socket = socket;
    socket.onopen = () => {
      this.state = {};
      this.heard = performance.now();
      this.handlers.onLink(true, null);
    };
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.handlers.onLink(false, null);
      setTimeout(() => this.open(), RETRY_MS);
    };
  }

  get up() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  take(message) {
    this.heard = performance.now();
    if (message.state) {
      Object.assign(this.state, message.state);
      this.handlers.onState(this.state, message.state);
    } else if ("answer" in message) {
      this.handlers.onAnswer(message);
    } else if ("drive" in message) {
      this.handlers.onDrive(message.drive);
    } else if ("pong" in message) {
      this.handlers.onLink(true, performance.now() - message.pong);
    }
  }

  ping() {
    if (this.up && performance.now() - this.heard > SILENT_MS) {
      // Half open: the network went away without a word. What is shown is old.
      const dead = this.socket;
      this.socket = { readyState: WebSocket.CLOSED };
      dead.close();
      this.handlers.onLink(false, null);
      this.open();
      return;
    }
    this.send({ ping: performance.now() });
  }

  send(message) {
    if (!this.up) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  command(verb, name, episode) {
    return this.send({ do: verb, id: this.next++, name, episode });
  }
}

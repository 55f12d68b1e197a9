"""Who may use the console: the page's own origin, and, where there is a password, who knows it."""

import hashlib
import hmac
import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tmrl_common.clock import Clock
from tmrl_common.errors import LocalError
from tmrl_common.json_object import is_json_object

COOKIE = "tmrl_console"
LOGIN_LASTS_S = 12 * 3600
ATTEMPTS, ATTEMPTS_WINDOW_S = 5, 60.0
"""Wrong passwords within a minute, of everybody: whoever guesses may have many addresses."""
_COST, _BLOCK, _PARALLEL, _BYTES = 2**15, 8, 1, 32
_MEMORY = 128 * 2**20
"""scrypt's parameters: 32 MB and a tenth of a second for each guess."""


class AccessError(LocalError):
    """The password's file cannot be used."""


@dataclass(frozen=True)
class PasswordHash:
    """What is kept of a password.

    Attributes:
        salt: Drawn for it.
        digest: scrypt of password and salt.
    """

    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, password: str) -> "PasswordHash":
        """Returns a hash with a salt of its own."""
        salt = secrets.token_bytes(16)
        return cls(salt, _scrypt(password, salt))

    def fits(self, password: str) -> bool:
        """Returns whether it was made of this password; takes a tenth of a second."""
        return hmac.compare_digest(_scrypt(password, self.salt), self.digest)

    def as_dict(self) -> dict[str, str]:
        """Returns what stands in the file."""
        return {"kind": "scrypt", "salt": self.salt.hex(), "digest": self.digest.hex()}


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        password.encode(),
        salt=salt,
        n=_COST,
        r=_BLOCK,
        p=_PARALLEL,
        maxmem=_MEMORY,
        dklen=_BYTES,
    )


def read_password(path: Path) -> PasswordHash:
    """Returns the hash in a file.

    Raises:
        AccessError: There is no such file, others may read it, or it is of another kind.
    """
    make = f"make it with `python -m tmrl_console.password {path}`"
    try:
        text, mode = path.read_text(encoding="utf-8"), path.stat().st_mode
    except OSError as error:
        why = error.strerror
        raise AccessError(f"password_file {path} cannot be read ({why}); {make}") from error
    except UnicodeDecodeError as error:
        raise AccessError(f"password_file {path} holds no password's hash; {make}") from error
    if mode & 0o077:
        raise AccessError(f"password_file {path} may be read by others; run chmod 600 {path}")
    try:
        content: object = json.loads(text)
        if not is_json_object(content):
            raise ValueError("it is no object")
        return PasswordHash(bytes.fromhex(content["salt"]), bytes.fromhex(content["digest"]))
    except (KeyError, TypeError, ValueError) as error:
        raise AccessError(f"password_file {path} holds no password's hash; {make}") from error


class Access:
    """Judges requests; with a password also by the cookie that a login hands out."""

    def __init__(
        self,
        password: PasswordHash | None,
        clock: Clock,
        *,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        """Takes the password, or none.

        Args:
            password: None: nobody is asked, and only names of this machine are answered.
            clock: For the limit of attempts.
            wall_s: Seconds since 1970, for the end of a login.
        """
        self._password, self._clock, self._wall_s = password, clock, wall_s
        self._wrong_s: deque[float] = deque()
        # Of the hash: a login outlives this process, and ends with the password.
        secret = password.digest if password else secrets.token_bytes(_BYTES)
        self._key = hmac.digest(secret, b"tmrl console cookie", "sha256")

    @property
    def asks(self) -> bool:
        """Whether there is a password."""
        return self._password is not None

    def names(self, host: str) -> bool:
        """Returns whether a request may name this host, as its header Host does.

        Without a password only this machine's own names count: a foreign page whose name was made
        to point here would otherwise have an origin of its own.
        """
        return self.asks or _name(f"//{host}") in ("localhost", "127.0.0.1", "::1")

    def same_origin(self, origin: str | None, host: str) -> bool:
        """Returns whether a request comes from a page of this console.

        Args:
            origin: Header Origin; a browser sends it with every WebSocket and every form.
            host: Header Host.
        """
        own = f"http://{host}".lower(), f"https://{host}".lower()
        return origin is not None and self.names(host) and origin.lower() in own

    def may_enter(self, cookies: str | None) -> bool:
        """Returns whether a cookie's value lets its bearer in."""
        if not self.asks:
            return True
        end, _, signature = (cookies or "").partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(end).encode()):
            return False
        return end.isdecimal() and int(end) > self._wall_s()

    def log_in(self, password: str) -> str:
        """Returns the cookie of whoever knows the password; empty for a wrong one."""
        if self._password is None or not self._password.fits(password):
            self._wrong_s.append(self._clock.now_s())
            return ""
        end = str(int(self._wall_s()) + LOGIN_LASTS_S)
        return f"{end}.{self._sign(end)}"

    def wait_s(self) -> float:
        """How long nobody may try a password, after too many wrong ones; 0: at once."""
        now_s = self._clock.now_s()
        while self._wrong_s and now_s - self._wrong_s[0] >= ATTEMPTS_WINDOW_S:
            self._wrong_s.popleft()
        if len(self._wrong_s) < ATTEMPTS:
            return 0.0
        return ATTEMPTS_WINDOW_S - (now_s - self._wrong_s[0])

    def _sign(self, end: str) -> str:
        return hmac.new(self._key, end.encode(), "sha256").hexdigest()


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


HEADERS: Collection[tuple[str, str]] = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
"""Of every answer: nothing from elsewhere is loaded, and no other page may show this one."""

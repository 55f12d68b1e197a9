"""The ROS 2 network: what was seen, and what to think of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tmrl_doctor.finding import Finding, failed, good, warning

_SHOWN = 6


@dataclass(frozen=True)
class Discovery:
    """Whether two participants on this machine found each other.

    Attributes:
        domain: ROS domain.
        settings: Variables that change how participants find each other, by name.
        found_s: How long it took until a message arrived; None where none did.
        multicast: Why multicast does not work here; empty where it does, None where nobody tried.
        absent_servers: Discovery servers at which nobody listens.
    """

    domain: int
    settings: Mapping[str, str]
    found_s: float | None
    multicast: str | None
    absent_servers: tuple[str, ...] = ()


def judge_discovery(seen: Discovery) -> Finding:
    """Without discovery no two nodes ever speak; without multicast it needs a server or peers."""
    settings = "".join(f", {name}={value}" for name, value in seen.settings.items())
    place = f"domain {seen.domain}{settings}"
    if seen.absent_servers:
        servers = ", ".join(seen.absent_servers)
        return failed(
            f"{place}: nobody listens at the discovery server {servers}",
            "start it (fastdds discovery), or unset ROS_DISCOVERY_SERVER",
        )
    if seen.found_s is None:
        return failed(
            f"{place}: two processes on this machine did not find each other",
            "allow UDP on the loopback interface in the firewall; let /dev/shm be writable; unset "
            "what is not meant",
        )
    detail = f"{place}: a second process hears this one after {seen.found_s:.2f} s"
    if seen.multicast is None:
        return good(detail)
    if seen.multicast:
        return warning(
            f"{detail}; no multicast ({seen.multicast})",
            "fine on one machine; for several name the others in ROS_STATIC_PEERS, or use a "
            "discovery server (docs/guides/remote_gpu.md)",
        )
    return good(f"{detail}, multicast works")


def judge_participants(nodes: Sequence[str], namespace: str, own: Sequence[str]) -> Finding:
    """Who else is on the domain; two of one name would both command the arm.

    Args:
        nodes: Full names of all nodes that were found.
        namespace: Of the rig, such as "/widowx".
        own: Names of the rig's nodes.
    """
    expected = {f"{namespace}/{name}" for name in own}
    twice = sorted(name for name, count in Counter(nodes).items() if count > 1 and name in expected)
    if twice:
        return failed(
            f"twice on this domain: {', '.join(twice)}",
            "stop the other session, or choose a domain of your own: export ROS_DOMAIN_ID=NUMBER",
        )
    here, others = sorted(set(nodes) & expected), sorted(set(nodes) - expected)
    running = f"the rig runs ({len(here)} of its nodes)" if here else "the rig does not run"
    if not others:
        return good(f"{running}; nobody else")
    shown = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
    return good(f"{running}; {len(others)} other nodes: {shown}")

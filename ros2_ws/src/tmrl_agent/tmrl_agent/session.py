"""Opens what a session needs: its journal, the core that resumes where it ends, the server."""

from collections.abc import Callable

from tmrl_agent.core import AgentCore
from tmrl_agent.journal import Journal, JournalError, JournalReader
from tmrl_agent.params import AgentConfig
from tmrl_agent.transitions import TransitionBuilder
from tmrl_common.clock import Clock
from tmrl_common.messages import PolicyExpectation
from tmrl_common.transport.client import PolicyClient
from tmrl_common.transport.curve import client_security


def open_session(
    config: AgentConfig, clock: Clock, complain: Callable[[str], object]
) -> tuple[Journal, JournalReader, AgentCore]:
    """Opens the journal for writing and for reading, and the core that continues it.

    Args:
        config: Names robot, session and run directory.
        clock: Steady clock.
        complain: Called with what the journal has lost, if it has.

    Raises:
        JournalError: The journal cannot be opened.
    """
    stored_as = (config.journal_path, config.robot, config.session)
    journal = Journal(*stored_as)
    reader = JournalReader(*stored_as)
    if journal.warning:
        complain(journal.warning)
    builder = TransitionBuilder(
        config.robot,
        config.session,
        next_sequence=journal.last_sequence + 1,
        label_revisions=journal.label_revisions(),
        last_stored=reader.last_of,
    )
    return journal, reader, AgentCore(config, clock, builder, journal.last_episode)


def close_session(
    journal: Journal, reader: JournalReader, core: AgentCore, complain: Callable[[str], object]
) -> None:
    """Writes what is still held back, and closes the journal.

    Args:
        journal: Of the session; no thread uses it any more.
        reader: Of the session.
        core: Of the session; takes no further event.
        complain: Called with what could not be written.
    """
    try:
        for record in core.close():
            journal.append(record.transitions, record.label)
    except JournalError as error:
        complain(f"held back and not written: {error}")
    reader.close()
    journal.close()


def connect(config: AgentConfig, client: str = "agent") -> PolicyClient:
    """A client that greets the policy server in the background.

    Args:
        config: What the policy served must be.
        client: Who this is, for the server's log.

    Raises:
        TransportError: The endpoint is none, or a key file cannot be used.
    """
    expected = PolicyExpectation(
        action_space=config.action_space,
        proprio_dim=len(config.proprio_fields),
        context_dim=len(config.context_objects),
        cameras=tuple(sorted(config.cameras)),
    )
    return PolicyClient(
        config.server,
        client=client,
        robot=config.robot,
        expected=expected,
        security=client_security(config.client_key, config.server_key),
    )

"""The services through which people run a session."""

from collections.abc import Callable
from typing import Any

from tmrl_msgs import srv
from tmrl_operator import events as ev
from tmrl_operator import messages
from tmrl_operator.effects import Effect
from tmrl_operator.episode import EpisodeMachine
from tmrl_operator.ledger import Ledger
from tmrl_operator.refused import RefusedError


def serve_people(
    create_service: Callable[[Any, str, Callable[[Any, Any], Any]], object],
    machine: EpisodeMachine,
    ledger: Ledger,
    carry_out: Callable[[list[Effect]], None],
) -> None:
    """Serves `operator/<name>` for everything that a person may ask for.

    A refusal is an answer, everything else a fault. Either way the ledger has who asked for what.

    Args:
        create_service: Of the operator's node.
        machine: Decides.
        ledger: Of the session.
        carry_out: Carries out what the machine wants done.
    """

    def serve(kind: Any, name: str, act: Callable[[Any], list[Effect]]) -> None:
        def answer(request: Any, response: Any) -> Any:
            try:
                effects = act(request)
            except (RefusedError, ValueError) as error:
                response.success, response.message = False, str(error)
            else:
                carry_out(effects)
                messages.fill_answer(response, effects, machine)
            refused = "" if response.success else response.message
            ledger.asked(name, request.operator_name, refused)
            return response

        create_service(kind, f"operator/{name}", answer)

    asked = srv.PersonRequest
    serve(asked, "start", lambda _: machine.start(ev.Start()))
    serve(asked, "stop", lambda r: machine.stop(ev.Stop(r.operator_name)))
    serve(asked, "pause", lambda r: machine.pause(ev.Pause(r.operator_name)))
    serve(asked, "undo", lambda r: machine.undo(ev.Undo(r.operator_name)))
    serve(asked, "reset_done", lambda _: machine.reset_done(ev.ResetDone()))
    serve(srv.LabelEpisode, "label", lambda r: machine.label(messages.to_label(r)))
    serve(srv.RelabelEpisode, "relabel", lambda r: machine.relabel(messages.to_relabel(r)))
    serve(srv.DiscardEpisode, "discard", lambda r: machine.discard(messages.to_discard(r)))

"""Fields of `./tmrl call operator/label`, as they are typed."""

from pathlib import Path

from tmrl_bringup.rig import RigError, parse_overrides
from tmrl_cli.call import filled
from tmrl_msgs.srv import LabelEpisode

from ..reading import Answer, Outcome


def read(given: list[str], folder: Path) -> Answer:
    """Refused, or what the request holds."""
    del folder
    request = LabelEpisode.Request()
    try:
        filled(request, "tmrl_msgs/srv/LabelEpisode", parse_overrides(given))
    except RigError as error:
        return Answer(Outcome.REFUSED, str(error))
    return Answer(Outcome.TAKEN, f"{request.outcome} by {request.operator_name!r}")

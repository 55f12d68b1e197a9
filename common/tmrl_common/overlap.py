"""How many steps two chunks may have in common: one sentence for every part that is given them."""


def too_long(overlap_steps: int, execute_steps: int, horizon: int = 0) -> str:
    """Why chunks cannot overlap so far; empty where they can.

    Args:
        overlap_steps: d, steps of a chunk that are still executed while the next one is made.
        execute_steps: h, steps of each chunk that are executed.
        horizon: H, rows of a chunk; 0 where it is not known.
    """
    if overlap_steps >= execute_steps and overlap_steps:
        return (
            f"overlap_steps is {overlap_steps}, but only {execute_steps} steps of a chunk are "
            f"executed (execute_steps): give at most {execute_steps - 1}"
        )
    if overlap_steps and horizon and overlap_steps + execute_steps > horizon:
        return (
            f"overlap_steps is {overlap_steps}, but after it come execute_steps = {execute_steps} "
            f"of a chunk's {horizon} steps (horizon): together at most {horizon}, lower one of the "
            "two"
        )
    return ""

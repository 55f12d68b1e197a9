"""Names of the columns of each action space, as docs/concepts/contracts.md describes them."""

ACTION_COLUMNS = {
    "bridge_delta_ee_7": ("dx", "dy", "dz", "drx", "dry", "drz", "gripper_opening"),
    "droid_joint_velocity_8": (*(f"joint_velocity_{n}" for n in range(1, 8)), "gripper_closing"),
}

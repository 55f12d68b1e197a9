"""Names of the cell's cameras, for those who check a configuration without loading MuJoCo."""

CAMERAS = ("overview", "wrist")

"""Reader of data sets in LeRobot's format, versions 2.x and 3.0, without LeRobot.

Formats: the public documentation and writers of huggingface/lerobot.
"""

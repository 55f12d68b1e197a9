"""Writes the golden files again: `python common/tests/golden/write.py`.

Only for a deliberate change of the wire format, which also raises PROTOCOL_VERSION. Each file holds
the frames of one message (request id 77), each after its length as 4 bytes, little endian.
"""

import struct
from pathlib import Path

from tmrl_common.codec import encode
from tmrl_common.testing.message_examples import EXAMPLES

for name, message in EXAMPLES.items():
    frames = [bytes(frame) for frame in encode(77, message)]
    content = b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)
    Path(__file__).with_name(f"{name}.bin").write_bytes(content)

"""What every part shares: plain types, errors, time, geometry, configuration and the wire.

Depends on numpy and msgpack only; `tmrl_common.transport` also needs pyzmq.
"""

"""The lease: over by its own deadline, whoever forgets to end it."""

from tmrl_controller.lease import MotionLease


def test_nobody_may_move_before_a_grant():
    lease = MotionLease()

    assert not lease.granted
    assert not lease.over(1e9)


def test_it_is_over_at_its_deadline_and_stays_so():
    lease = MotionLease()
    lease.grant(10.0, 0.5)

    assert lease.granted
    assert not lease.over(10.49)
    assert lease.over(10.5)
    assert lease.over(11.0)


def test_the_newest_grant_counts_even_if_it_is_shorter():
    lease = MotionLease()
    lease.grant(10.0, 5.0)
    lease.grant(10.1, 0.1)

    assert lease.over(10.3)


def test_revoked_it_is_neither_granted_nor_over():
    lease = MotionLease()
    lease.grant(10.0, 0.5)
    lease.revoke()

    assert not lease.granted
    assert not lease.over(11.0)

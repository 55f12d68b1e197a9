"""Fixtures of the tests of this package."""

import pytest

pytest.register_assert_rewrite("tmrl_arm.testing.contract")

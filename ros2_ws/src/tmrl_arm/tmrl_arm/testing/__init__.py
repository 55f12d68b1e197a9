"""What the tests of every driver share."""

"""The paper's theory, executable: Theorem 1 in closed form, and the unit-circle experiment."""

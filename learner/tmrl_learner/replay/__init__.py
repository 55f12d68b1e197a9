"""Storage of transitions: exactly once, whole episodes, stratified draws."""

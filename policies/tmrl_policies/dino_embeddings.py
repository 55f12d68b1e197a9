"""Names of the embeddings that are taken of DINOv2; importable without torch."""

CLASS_TOKEN = "class"
PATCH_MEAN = "patches"
DINO_EMBEDDINGS: tuple[str, ...] = (CLASS_TOKEN, PATCH_MEAN)

"""Names of the files of a checkpoint, and which of them are fetched."""

INDEX = "model.safetensors.index.json"


SMALL_FILES = ["*.json", "*.txt", "*.jinja", "*.md", "LICENSE*"]
WEIGHTS = ".safetensors"

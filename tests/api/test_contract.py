"""The running server keeps to schemas/openapi.yaml, whatever it is sent."""

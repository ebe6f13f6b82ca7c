"""What text-generation-webui adds to OpenAI's dialect under /v1/internal. Knows no engine."""

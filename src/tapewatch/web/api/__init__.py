"""REST, SSE, metrics."""

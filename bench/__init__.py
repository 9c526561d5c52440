"""The harness: suites in, tables and figures out."""

"""The performance lab; perf/LAB.md says what its parts say to each other."""

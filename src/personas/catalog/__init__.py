"""The catalog: its models, the loader that locates every problem, and the choice of personas."""

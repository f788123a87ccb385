"""hegui 合规: run a generative-AI service the way China's Interim Measures require, and prove it."""

__version__ = "0.1.0"

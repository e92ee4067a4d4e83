"""Evidence of when a key was public: the transparency log."""

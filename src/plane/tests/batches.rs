//! What is written, when, and what is not written again.

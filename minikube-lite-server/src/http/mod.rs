//! The HTTP front: reads a request, asks the registry, writes the answer. No rule of any kind lives here.

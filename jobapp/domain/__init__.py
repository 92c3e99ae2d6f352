"""The words that everything speaks: values, exceptions, settings, events, the clock. Pure."""

"""The language behind `eval:`. A bounded part of Python that we evaluate ourselves."""

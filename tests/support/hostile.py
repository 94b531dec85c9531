"""Documents that no program should choke on."""

HOSTILE_JSON = {
    "brackets": "[" * 100_000,
    "deep": "[" * 100 + "]" * 100,
    "tables": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "infinity": "Infinity",
    "minus infinity": "[-Infinity]",
    "no number": '{"a": NaN}',
    "large": "1e400",
    "many digits": "1" + "0" * 400,
    "digits without end": "1" * 100_000,
    "nothing": "",
    "bytes": b"\xff\xfe\x00",
}
HOSTILE_TOML = {
    "brackets": "a = " + "[" * 100_000,
    "deep": "a = " + "[" * 100 + "]" * 100,
    "dots": ".".join(["a"] * 1000) + " = 1",
    "infinity": "a = inf",
    "no number": "a = [nan]",
    "many digits": "a = 1" + "0" * 400,
    "digits without end": "a = " + "1" * 100_000,
}

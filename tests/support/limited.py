"""Runs magn's commands in a process that may take little memory and start no processes: python limited.py JSON.

The argument is a list of command lines, each a list of words; printed is a list of [exit code, stderr].
"""

import json
import resource
import sys

from typer.testing import CliRunner

from magn_cli.cli.app import app

MEMORY = 6 << 30


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    runner = CliRunner()
    answers = []
    for words in json.loads(sys.argv[1]):
        done = runner.invoke(app, words)
        answers.append([done.exit_code, done.stderr])
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main()

"""`dialerctl completion`: the script that lets a shell complete commands and campaigns."""

import os
import re
import shlex
from typing import Any, Final

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

_BASH: Final = """\
%(complete_func)s() {
    local type value
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done < <(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" %(complete_var)s=bash_complete "$1")
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


@add_completion_class
class QuotingBash(BashComplete):
    """Quotes what it offers: bash, unlike the others, puts it into the line as it stands."""

    source_template = _BASH

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return an item as the script reads it; behind a quote it is right as it is."""
        quoted = item.value if _within_quotes() else re.sub(r"[^\w@%+=:,./-]", r"\\\g<0>", item.value)
        return f"{item.type},{quoted}"


def _within_quotes() -> bool:
    try:
        shlex.split(os.environ["COMP_WORDS"])
    except ValueError:
        return True
    return False


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    For example: dialerctl completion bash > /etc/bash_completion.d/dialerctl
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows these three"
    root = click.get_current_context().find_root()
    click.echo(kind(root.command, {}, "dialerctl", "_DIALERCTL_COMPLETE").source())

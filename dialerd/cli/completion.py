"""`dialerctl completion`: the script that lets a shell complete commands and campaigns."""

import click
from click.shell_completion import get_completion_class


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

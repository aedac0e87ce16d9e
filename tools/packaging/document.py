"""Makes the manual page and the completions of shells out of what `ferry --help` prints, which is
made of the table of its flags.

    document.py man BINARY VERSION >ferry.1
    document.py bash|zsh|fish BINARY >FILE

Fails when the help has a line that it does not understand.
"""

import dataclasses
import re
import subprocess
import sys

OPTION = re.compile(r"^  --([a-z0-9-]+)(?: (\S+))?(?: {2,}(.*))?$")
TEXT_AT = 30  # The column of the descriptions.


@dataclasses.dataclass
class Option:
    name: str
    value: str
    text: str = ""

    @property
    def words(self):
        """The words that may be its value; none where it is not one word of a few."""
        parts = self.value.split("|")
        return [part for part in parts if re.fullmatch(r"[a-z0-9.]+", part)]

    @property
    def is_file(self):
        return any(part in ("FILE", "PATH") for part in self.value.split("|"))

    @property
    def is_directory(self):
        return "DIR" in self.value.split("|")


@dataclasses.dataclass
class Command:
    """One that is said in place of options: `ferry top [--once] [ADDRESS]`."""
    name: str
    options: list
    takes_file: bool


@dataclasses.dataclass
class Help:
    usage: list
    about: list     # Paragraphs, each a list of lines.
    groups: dict    # Names of groups, in order: their options.


def read_help(text):
    """Takes the help apart."""
    lines = text.rstrip("\n").split("\n")
    usage = []
    while lines and (lines[0].startswith("usage:") or lines[0].startswith("       ")):
        usage.append(lines.pop(0).removeprefix("usage:").strip())
    found = Help(usage, [], {})
    paragraph, group = [], None
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        option = OPTION.match(line)
        if group is None and not following.startswith("  --"):
            if line:
                paragraph.append(line)
            elif paragraph:
                found.about.append(paragraph)
                paragraph = []
        elif option:
            group.append(Option(option[1], option[2] or "", option[3] or ""))
        elif line.startswith(" " * TEXT_AT) and group:
            group[-1].text = f"{group[-1].text} {line.strip()}".strip()
        elif line and not line.startswith(" "):
            if paragraph:
                found.about.append(paragraph)
                paragraph = []
            group = found.groups.setdefault(line, [])
        elif line:
            raise SystemExit(f"document.py: a line of the help is not understood: {line!r}")
    if not found.usage or not all(found.groups.values()) or "This run" not in found.groups:
        raise SystemExit("document.py: the help is not as it was: no usage, or an empty group")
    return found


def commands_of(help_text):
    """Those of the lines of usage that begin with a word."""
    found = []
    for line in help_text.usage:
        said = re.match(r"ferry ([a-z]+) (.*?)(?: {2,}|$)", line)
        if said:
            options = [Option(*each) for each in re.findall(r"\[--([a-z-]+)(?: (\S+))?\]", said[2])]
            found.append(Command(said[1], options, "FILE" in said[2].split()))
    return found


def options_of(help_text):
    return [option for group in help_text.groups.values() for option in group]


def roff(text):
    """`text` as it is to be read, whatever it has that troff would take for its own."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + text if text.startswith((".", "'")) else text


def manual_page(help_text, version):
    out = [f'.TH FERRY 1 "" "ferry {version}" "User Commands"', ".SH NAME",
           "ferry \\- serve a tree of files over HTTP and FTP", ".SH SYNOPSIS"]
    for line in help_text.usage:
        out += [".br", roff(re.sub(r"\s{2,}.*", "", line))]
    out.append(".SH DESCRIPTION")
    for paragraph in help_text.about:
        out.append(".PP")
        if all(line.startswith("  ") for line in paragraph):
            out += [".nf", *(roff(line.strip()) for line in paragraph), ".fi"]
        else:
            out += [roff(line) for line in paragraph]
    out.append(".SH OPTIONS")
    for name, options in help_text.groups.items():
        out.append(f'.SS "{roff(name)}"')
        for option in options:
            value = f" \\fI{roff(option.value)}\\fR" if option.value else ""
            out += [".TP", f"\\fB\\-\\-{roff(option.name)}\\fR{value}", roff(option.text)]
    out += [
        ".SH SIGNALS",
        ".TP", "SIGTERM, SIGINT", "Take no more connections, finish what is under way for "
        "\\fB\\-\\-drain\\-timeout\\fR, and end. A second one: end now.",
        ".TP", "SIGHUP", "Read the users file, the rules and the certificates anew. What cannot be "
        "read leaves the old in force, and says so.",
        ".TP", "SIGUSR1", "Open the access log anew, for who rotates it.",
        ".TP", "SIGUSR2", "Start the program once more, hand the listening sockets to it, and finish "
        "what is under way for \\fB\\-\\-upgrade\\-drain\\-timeout\\fR, once it serves.",
        ".SH EXIT STATUS", "0: it was told to end. 1: it could not start, and has said why. 2: the "
        "command line, the environment or the configuration file are not understood.",
        ".SH FILES", ".TP", "/etc/ferry/ferry.toml", "the configuration of the service",
        ".TP", "/etc/ferry/users", "accounts, made by \\fBferry passwd\\fR",
        ".SH SEE ALSO", "\\fBferry\\-http\\-load\\fR and \\fBferry\\-ftp\\-load\\fR, which load servers; "
        "systemctl(1), logrotate(8)"]
    return "\n".join(out) + "\n"


def bash_cases(options):
    """What bash does behind each option."""
    cases = []
    for option in options:
        if option.words:
            words = " ".join(option.words)
            act = f'COMPREPLY=($(compgen -W "{words}" -- "$word"))'
            if option.is_file:
                act += '; COMPREPLY+=($(compgen -f -- "$word"))'
        elif option.is_directory:
            act = 'COMPREPLY=($(compgen -d -- "$word"))'
        elif option.is_file:
            act = 'COMPREPLY=($(compgen -f -- "$word"))'
        elif option.value:
            act = "COMPREPLY=()"
        else:
            continue
        cases.append(f"        --{option.name}) {act}; return ;;")
    return cases


def bash_names(options):
    names = " ".join(f"--{option.name}" for option in options)
    return f'compopt +o filenames 2>/dev/null; COMPREPLY=($(compgen -W "{names}" -- "$word"))'


def bash_completion(help_text):
    commands = commands_of(help_text)
    out = ["# Completion of ferry for bash. Made of `ferry --help`.", "_ferry() {",
           '    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=',
           "    compopt -o filenames 2>/dev/null",
           "    if ((COMP_CWORD > 1)); then command=${COMP_WORDS[1]}; fi"]
    for command in commands:
        otherwise = 'COMPREPLY=($(compgen -f -- "$word"))' if command.takes_file else "COMPREPLY=()"
        out += [f"    if [[ $command == {command.name} ]]; then", "        case $before in",
                *("    " + case for case in bash_cases(command.options)), "        esac",
                "        case $word in", f"            -*) {bash_names(command.options)} ;;",
                f"            *) {otherwise} ;;", "        esac", "        return", "    fi"]
    options = options_of(help_text)
    words = " ".join(command.name for command in commands)
    return "\n".join([
        *out, "    case $before in", *bash_cases(options), "    esac", "    case $word in",
        f"        -*) {bash_names(options)} ;;",
        '        *) COMPREPLY=($(compgen -d -- "$word"))',
        f'           if ((COMP_CWORD == 1)); then COMPREPLY+=($(compgen -W "{words}" -- "$word")); fi ;;',
        "    esac", "}", "complete -F _ferry ferry", ""])


def first_sentence(option):
    text = re.split(r"; | \[", option.text)[0]
    before = text.split(": ")[0]
    return (before if before.count("(") == before.count(")") else text).strip()


def zsh_lines(options):
    lines = []
    for option in options:
        about = re.sub(r"([\[\]:\\])", r"\\\1", first_sentence(option)).replace("'", "'\\''")
        value = ""
        if option.words:
            value = f":{option.name}:({' '.join(option.words)})"
        elif option.is_directory:
            value = f":{option.name}:_files -/"
        elif option.is_file:
            value = f":{option.name}:_files"
        elif option.value:
            value = f":{option.name}: "
        lines.append(f"    '*--{option.name}[{about}]{value}' \\")
    return lines


def zsh_completion(help_text):
    out = ["#compdef ferry", "# Made of `ferry --help`."]
    commands = commands_of(help_text)
    for command in commands:
        out += [f"if (( CURRENT > 2 )) && [[ $words[2] == {command.name} ]]; then", "shift words",
                "(( CURRENT-- ))", "_arguments \\", *zsh_lines(command.options),
                f"    '*: :{'_files' if command.takes_file else ' '}'", "return", "fi"]
    words = " ".join(command.name for command in commands)
    return "\n".join([*out, f"(( CURRENT == 2 )) && compadd -- {words}", "_arguments \\",
                      *zsh_lines(options_of(help_text)), "    '*:directory:_files -/'", ""])


def fish_line(option, when):
    about = first_sentence(option).replace("\\", "\\\\").replace("'", "\\'")
    value = ""
    if option.words:
        value = f" -x -a '{' '.join(option.words)}'"
    elif option.is_file or option.is_directory:
        value = " -r"
    elif option.value:
        value = " -x"
    return f"complete -c ferry -n '{when}' -l {option.name}{value}" + (f" -d '{about}'" if about else "")


def fish_completion(help_text):
    lines = ["# Completion of ferry for fish. Made of `ferry --help`."]
    commands = commands_of(help_text)
    none_of_them = "not __fish_seen_subcommand_from " + " ".join(each.name for each in commands)
    for command in commands:
        lines.append(f"complete -c ferry -n __fish_use_subcommand -a {command.name}")
        lines += [fish_line(option, f"__fish_seen_subcommand_from {command.name}")
                  for option in command.options]
    lines += [fish_line(option, none_of_them) for option in options_of(help_text)]
    return "\n".join(lines) + "\n"


def main(arguments):
    if len(arguments) < 2:
        raise SystemExit(__doc__.strip())
    kind, binary = arguments[0], arguments[1]
    text = subprocess.run([binary, "--help"], check=True, capture_output=True, text=True).stdout
    help_text = read_help(text)
    made = {"man": lambda: manual_page(help_text, arguments[2]),
            "bash": lambda: bash_completion(help_text), "zsh": lambda: zsh_completion(help_text),
            "fish": lambda: fish_completion(help_text)}[kind]()
    sys.stdout.write(made)


if __name__ == "__main__":
    main(sys.argv[1:])

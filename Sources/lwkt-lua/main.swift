// main.swift: the command.

import Glibc

exit(CommandLine.run())

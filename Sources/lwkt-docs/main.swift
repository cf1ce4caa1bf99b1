// main.swift: write what is generated from the help table: the reference in docs/manual.md and the
// annotations for editors in library/lwkt.lua.
//
//   lwkt-docs FOLDER           write them, in the project's folder
//   lwkt-docs --check FOLDER   write nothing; status 1 if a file is not as it would be written

import Foundation

/// What stands before the generated part of the manual.
let marker = "<!-- What follows is generated from the help table: `make docs`. -->\n"

let arguments = CommandLine.arguments.dropFirst()
let isCheck = arguments.first == "--check"
guard let folder = arguments.last, arguments.count == (isCheck ? 2 : 1), folder != "--check" else {
  print("usage: lwkt-docs [--check] FOLDER")
  exit(1)
}

/// The hand-written part of the manual, up to the marker.
func handWritten(_ manual: String) -> String {
  guard let found = manual.range(of: marker) else { return manual + "\n" }
  return String(manual[..<found.lowerBound])
}

func contents(_ path: String) -> String {
  (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
}

let manual = folder + "/docs/manual.md"
let files = [
  (manual, handWritten(contents(manual)) + marker + reference()),
  (folder + "/library/lwkt.lua", annotations()),
]
var status: Int32 = 0
for (path, text) in files where contents(path) != text {
  if isCheck {
    print(path + " is not what the help table makes of it: make docs")
    status = 1
  } else {
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    print(path)
  }
}
exit(status)

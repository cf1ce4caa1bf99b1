// Reference.swift: the reference part of the manual.

import LWKTLua

/// In Markdown: a section for each subject of the `lwkt` module, a heading for each entry.
func reference() -> String {
  var text = "\n## Reference\n"
  for subject in Help.moduleSubjects {
    text += "\n### \(subject.title)\n"
    for (place, entry) in subject.entries.enumerated() {
      let isFirst = place == 0 || subject.entries[place - 1].example.utf8CodeUnitCount > 0
      text += entry.kind == .field && isBrief(entry) ? item(entry, isFirst) : section(entry)
    }
  }
  return text
}

/// Has it no more than a sentence?
private func isBrief(_ entry: HelpEntry) -> Bool {
  entry.text.utf8CodeUnitCount == 0 && entry.example.utf8CodeUnitCount == 0
}

private func item(_ entry: HelpEntry, _ isFirst: Bool) -> String {
  (isFirst ? "\n" : "") + entry.headings.map { "- `" + $0 + "`: \(entry.summary)\n" }.joined()
}

private func section(_ entry: HelpEntry) -> String {
  var text = "\n#### `\(entry.name)`\n\n"
  if entry.kind != .module {
    text += entry.headings.map { "    " + $0 + "\n" }.joined() + "\n"
  }
  text += "\(entry.summary)\n"
  if entry.text.utf8CodeUnitCount > 0 { text += "\n\(entry.text)\n" }
  if entry.example.utf8CodeUnitCount > 0 { text += "\n```lua\n\(entry.example)\n```\n" }
  return text
}

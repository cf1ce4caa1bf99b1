# What bash would offer: for each line of the standard input, the words after lwkt-lua with the one to
# complete last ('' for an empty one), a line with the offers. Argument: the completion file.
source "$1"
while read -ra words; do
  COMP_WORDS=(lwkt-lua "${words[@]//\'\'/}")
  COMP_CWORD=${#words[@]}
  COMPREPLY=()
  _lwkt_lua lwkt-lua "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  echo "${COMPREPLY[*]}"
done

# Completion of lwkt-lua's arguments for bash.

_lwkt_lua() {
  local options='-e -i -l -v -E -W -- - --workers --sysport --no-bytecode --trace --stat --version --help'
  local word=${COMP_WORDS[COMP_CWORD]} pending='' place=options at=1
  COMPREPLY=()

  # What stands before the word: options, the value of one (pending), '--', or the script.
  # Readline cuts --workers=2 at the '='.
  while ((at < COMP_CWORD)); do
    if [[ $place == script ]]; then
      place=arguments
    elif [[ $pending ]]; then
      [[ ${COMP_WORDS[at]} == = ]] || pending=''
    else
      case ${COMP_WORDS[at]} in
        --workers | --sysport | --trace | -e | -l) pending=${COMP_WORDS[at]} ;;
        --) place=script ;;
        -?*) ;;
        *) place=arguments ;;
      esac
    fi
    [[ $place == arguments ]] && break
    at=$((at + 1))
  done
  [[ $word == = ]] && word=''

  case $pending in
    --workers) mapfile -t COMPREPLY < <(compgen -W '1 2 4 8' -- "$word"); return ;;
    --sysport) mapfile -t COMPREPLY < <(compgen -W 'auto uring' -- "$word"); return ;;
    --trace) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    ?*) return ;;
  esac
  if [[ $place == arguments ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  elif [[ $place == options && $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -f -X '!*.lua' -- "$word"; compgen -d -- "$word")
  fi
}

complete -o filenames -F _lwkt_lua lwkt-lua

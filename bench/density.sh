#!/usr/bin/env bash
# What very many connections cost, with both ends on this machine: as root, in a network namespace of its own, whose table of
# connections has room for them all.
#
#	bench/density.sh [connections [edge]]
#
# One server after the other, each new: idle (connect all, hold for two heartbeats, publish once to all), then echo, fan-out to
# rooms of 1,000 and a storm of all, each at 10,000 connections and at so many, without heartbeats, so that figures compare.
# ONLY=regexp leaves out what does not match. With PROFILES=directory the CPU profiles of the server are left there. A million
# takes some 15 minutes and 10 GiB.
set -euo pipefail
connections=${1:-1000000} edge=$(realpath "${2:-bin/edge}")
profiles=${PROFILES:-} address=127.0.0.1:8000 internal=127.0.0.1:9000

if [[ -z ${DENSITY_NAMESPACE:-} ]]; then
	buckets=$(sysctl -n net.ipv4.tcp_child_ehash_entries)
	trap 'sysctl -qw net.ipv4.tcp_child_ehash_entries="$buckets"' EXIT
	sysctl -qw net.ipv4.tcp_child_ehash_entries=4194304 # of the namespaces made from here on; its own is the host's
	DENSITY_NAMESPACE=1 unshare --net "$BASH" "$0" "$connections" "$edge"
	exit
fi
ip link set lo up

# As many loops, each with a table of descriptors of its own, as the limit asks for.
loops() { echo $(($1 / ($(ulimit -n) - 500) + $(nproc))); }

# measure NAME CONNECTIONS FLAGS-OF-SERVE -- FLOOD...
measure() {
	[[ $1 =~ ${ONLY:-.} ]] || return 0
	local name=$1 n=$2 serve=() server flood
	shift 2
	while [[ $1 != -- ]]; do serve+=("$1"); shift; done
	shift
	printf '\n== %s, %d connections\n$ edge serve --loops %d --private-fd-tables on %s\n$ edge flood %s --server-pid PID\n' \
		"$name" "$n" "$(loops "$n")" "${serve[*]}" "$*"
	"$edge" serve --address $address --internal-address $internal --loops "$(loops "$n")" --private-fd-tables on "${serve[@]}" 2>/dev/null &
	server=$!
	until curl -sf http://$internal/health >/dev/null; do kill -0 $server; done
	if [[ -n $profiles ]]; then
		"$edge" flood "$@" --target $address --server-pid $server 2> >(profile "$name-$n") || true
	else
		"$edge" flood "$@" --target $address --server-pid $server 2>/dev/null || true
	fi
	curl -sf http://$internal/metrics | awk '/^go_gc_duration_seconds_count/ { print "collections of garbage", $2 }'
	kill -INT $server && wait $server || true
}

# profile takes the server's CPU profile while its input says that the run measures.
profile() {
	local line
	while read -r line; do
		if [[ $line == measuring* || $line == storm* ]]; then
			curl -sf "http://$internal/debug/pprof/profile?seconds=5" >"$profiles/$1.pprof"
			cat >/dev/null
		fi
	done
}

measure idle "$connections" -- idle --connections "$connections" --hold 50s --publish-once
for n in 10000 "$connections"; do
	quiet=(--ping-interval 1h --)
	measure echo "$n" "${quiet[@]}" echo --connections "$n" --rate 10000 --duration 15s
	measure fanout "$n" "${quiet[@]}" fanout --connections "$n" --rooms $((n / 1000)) --rate 10 --duration 15s
	EDGE_ROOM_WITHOUT_NAMESPACE_HISTORY_SIZE=1000 EDGE_ROOM_WITHOUT_NAMESPACE_HISTORY_TTL=10m EDGE_ROOM_WITHOUT_NAMESPACE_FORCE_RECOVERY=true \
		measure storm "$n" "${quiet[@]}" storm --connections "$n" --rooms $((n / 1000)) --rate 20 --drop rude --return rude
done

package command

import (
	"slices"
	"strings"
)

// reading is what a program may be given and still only reads. What is not listed
// is not known to.
type reading struct {
	inert bool   // no option and no operand of it changes anything: all words are fine, also computed ones
	short string // letters of options, as for getopt(3): "n:" takes a value, "b::" may
	long  string // names of options: "name=" takes a value, "name?" may
	alone bool   // it takes no operands
	shell bool   // built into the shell: not for argument lists
	only  func(words []Word) bool
}

// programs are those known to only read, one by one with their options. Where
// implementations differ, what one of them does counts. git is not here on purpose:
// a repository's own configuration makes git log or git status run programs.
var programs = map[string]reading{
	":":          {inert: true, shell: true},
	"true":       {inert: true, shell: true},
	"false":      {inert: true, shell: true},
	"echo":       {inert: true, shell: true},
	"pwd":        {inert: true, shell: true},
	"cd":         {inert: true, shell: true},
	"exit":       {inert: true, shell: true},
	"command -v": {inert: true, shell: true},
	"command -V": {inert: true, shell: true},
	"printf":     {only: printfReads, shell: true},
	"test":       {only: testReads, shell: true},
	"[":          {only: testReads, shell: true},

	"arch":      {alone: true},
	"basename":  {inert: true},
	"cat":       {inert: true},
	"cksum":     {inert: true},
	"cmp":       {inert: true},
	"comm":      {inert: true},
	"cut":       {inert: true},
	"dirname":   {inert: true},
	"du":        {inert: true},
	"egrep":     {inert: true},
	"fgrep":     {inert: true},
	"fold":      {inert: true},
	"grep":      {inert: true},
	"groups":    {inert: true},
	"head":      {inert: true},
	"id":        {inert: true},
	"ls":        {inert: true},
	"md5sum":    {inert: true},
	"nl":        {inert: true},
	"nproc":     {inert: true},
	"od":        {inert: true},
	"paste":     {inert: true},
	"printenv":  {inert: true},
	"ps":        {inert: true},
	"readlink":  {inert: true},
	"realpath":  {inert: true},
	"seq":       {inert: true},
	"sha1sum":   {inert: true},
	"sha256sum": {inert: true},
	"sha512sum": {inert: true},
	"sleep":     {inert: true},
	"stat":      {inert: true},
	"tac":       {inert: true},
	"tail":      {inert: true},
	"tr":        {inert: true},
	"tty":       {inert: true},
	"uname":     {short: "aimnoprsv", alone: true},
	"uptime":    {inert: true},
	"wc":        {inert: true},
	"whoami":    {inert: true},

	"column":  {short: "ts:"},
	"date":    {only: dateReads},
	"df":      {short: "ahHiklPTt:x:B:", long: "all human-readable si inodes local portability print-type total type= exclude-type= output?"},
	"diff":    {short: "abBciNqrsuwyU:C:W:", long: "brief recursive new-file unified? context? side-by-side ignore-all-space width="},
	"env":     {short: "0", alone: true},
	"file":    {short: "bhikL", long: "brief mime mime-type dereference"},
	"find":    {only: findReads},
	"getent":  {},
	"hexdump": {short: "Cvn:s:"},
	"jq":      {short: "acCejMnrsS", long: "raw-output compact-output exit-status null-input slurp sort-keys tab arg argjson"},
	"sort":    {short: "bcCdfghiMnrRsuVzk:t:", long: "numeric-sort human-numeric-sort version-sort reverse unique stable key= field-separator="},
	"tree":    {short: "adDfFghilLnNpPrstuC", long: "noreport dirsfirst du"},
	"uniq":    {short: "cdiuzf:s:w:", long: "count repeated unique ignore-case", alone: true},
	"which":   {short: "a"},
	"zcat":    {short: "f"},

	"arp":          {short: "aen", alone: true},
	"crontab -l":   {alone: true},
	"dmesg":        {short: "Tkuxl:f:", long: "ctime nopager decode since= until= level= facility=", alone: true},
	"findmnt":      {short: "aADJlnrRt:o:", long: "list noheadings json real df output= types="},
	"free":         {short: "bkmghlwt", long: "bytes kibi mebi gibi human wide total si", alone: true},
	"hostname":     {short: "fsiIdA", long: "fqdn all-ip-addresses", alone: true},
	"iostat":       {short: "cdhkmNtxyz"},
	"last":         {short: "adFiRwxn:", long: "limit= since= until="},
	"lastlog":      {short: "u:t:b:", alone: true},
	"lsblk":        {short: "abdfiJlmnOpPrStTo:", long: "all bytes fs json list noheadings paths output="},
	"lscpu":        {short: "eJp", long: "json extended? parse?", alone: true},
	"lsmem":        {short: "abJnrP", alone: true},
	"lsof":         {short: "abi::lnNoPRtUpuc"},
	"lspci":        {short: "knntvDs:d:", alone: true},
	"lsusb":        {short: "tvs:d:", alone: true},
	"mount":        {short: "l", alone: true},
	"mpstat":       {short: "AauP"},
	"netstat":      {short: "aceilnoprstuvwWx46", alone: true},
	"nvidia-smi":   {short: "Lq", alone: true},
	"pgrep":        {short: "aflnoxvcu:U:g:G:P:t:s:d:"},
	"pidof":        {short: "sx"},
	"pstree":       {short: "aAcglnpsStTu"},
	"sensors":      {short: "Aufj"},
	"smartctl":     {short: "aAcHix", long: "all xall health info attributes scan"},
	"ss":           {short: "aeHilmnoOprstuwx046", long: "all listening numeric processes tcp udp unix summary no-header extended memory info"},
	"swapon":       {short: "s", long: "show? summary noheadings bytes", alone: true},
	"top":          {short: "bcHin:o:w::p:u:", alone: true},
	"vmstat":       {short: "adDmnstwS:"},
	"w":            {short: "fhios"},
	"who":          {short: "abdHlmpqrsTtu"},
	"dpkg -L":      {},
	"dpkg -S":      {},
	"dpkg -l":      {},
	"dpkg -s":      {},
	"dpkg-query":   {short: "lsLSWf:", long: "list status listfiles search show showformat="},
	"rpm -q":       {},
	"rpm -qa":      {},
	"rpm -qf":      {},
	"rpm -qi":      {},
	"rpm -ql":      {},
	"apt list":     {short: "a", long: "installed upgradable all-versions manual-installed"},
	"apt policy":   {},
	"apt search":   {short: "n", long: "names-only"},
	"apt show":     {short: "a"},
	"zpool get":    {short: "Hpo:"},
	"zpool list":   {short: "Hpvo:"},
	"zpool status": {short: "vxLP"},
	"zfs get":      {short: "Hprd:o:s:t:"},
	"zfs list":     {short: "Hprd:o:s:S:t:"},

	"apt-cache depends": {},
	"apt-cache madison": {},
	"apt-cache policy":  {},
	"apt-cache search":  {short: "n", long: "names-only"},
	"apt-cache show":    {},

	"ip a":            {alone: true},
	"ip a s":          {},
	"ip a show":       {},
	"ip addr":         {alone: true},
	"ip addr show":    {},
	"ip address":      {alone: true},
	"ip address show": {},
	"ip l":            {alone: true},
	"ip link":         {alone: true},
	"ip link show":    {},
	"ip maddr":        {alone: true},
	"ip maddr show":   {},
	"ip neigh":        {alone: true},
	"ip neigh show":   {},
	"ip r":            {alone: true},
	"ip r show":       {},
	"ip route":        {alone: true},
	"ip route get":    {},
	"ip route show":   {},
	"ip rule":         {alone: true},
	"ip rule show":    {alone: true},

	"journalctl":                  {short: "aefkmqrxb::g:n::o:p:t:u:S:U:", long: journal},
	"systemctl":                   {short: "al", long: units, alone: true},
	"systemctl cat":               {long: units},
	"systemctl get-default":       {alone: true},
	"systemctl is-active":         {short: "q", long: units},
	"systemctl is-enabled":        {short: "q", long: units},
	"systemctl is-failed":         {short: "q", long: units},
	"systemctl is-system-running": {alone: true},
	"systemctl list-dependencies": {short: "a", long: units},
	"systemctl list-jobs":         {long: units},
	"systemctl list-sockets":      {short: "a", long: units},
	"systemctl list-timers":       {short: "a", long: units},
	"systemctl list-unit-files":   {short: "t:", long: units},
	"systemctl list-units":        {short: "at:", long: units},
	"systemctl show":              {short: "ap:", long: units},
	"systemctl status":            {short: "aln:o:", long: units},
	"timedatectl":                 {long: "no-pager", alone: true},
	"timedatectl show":            {long: "no-pager all", alone: true},
	"timedatectl status":          {long: "no-pager", alone: true},
	"timedatectl timesync-status": {long: "no-pager", alone: true},
	"hostnamectl":                 {alone: true},
	"hostnamectl status":          {alone: true},
	"loginctl":                    {long: "no-pager no-legend", alone: true},
	"loginctl list-sessions":      {long: "no-pager no-legend", alone: true},
	"loginctl list-users":         {long: "no-pager no-legend", alone: true},
	"loginctl session-status":     {long: "no-pager"},
	"loginctl user-status":        {long: "no-pager"},

	"docker container inspect": {},
	"docker container ls":      {short: "anq", long: containers},
	"docker diff":              {},
	"docker image ls":          {short: "aq", long: containers},
	"docker images":            {short: "aq", long: containers},
	"docker info":              {alone: true},
	"docker inspect":           {short: "s", long: "size type="},
	"docker logs":              {short: "ftn:", long: "follow timestamps tail= since= until= details"},
	"docker network inspect":   {},
	"docker network ls":        {short: "q", long: containers},
	"docker port":              {},
	"docker ps":                {short: "alqs", long: containers},
	"docker stats":             {short: "a", long: "all no-stream no-trunc"},
	"docker system df":         {short: "v", alone: true},
	"docker version":           {alone: true},
	"docker volume inspect":    {},
	"docker volume ls":         {short: "q", long: containers},
	"kubectl api-resources":    {alone: true},
	"kubectl describe":         {short: "An:l:", long: cluster},
	"kubectl get":              {short: "An:l:o:", long: cluster},
	"kubectl logs":             {short: "fpn:c:l:", long: cluster + " tail= since= previous timestamps container= all-containers"},
	"kubectl top":              {short: "An:l:", long: cluster},
	"kubectl version":          {alone: true},
}

// Options that several commands share.
const (
	journal = "no-pager no-hostname no-tail all reverse quiet utc merge dmesg disk-usage list-boots follow boot? lines? since= until= unit= user-unit= " +
		"identifier= priority= grep= output= output-fields= catalog pager-end system user"
	units      = "no-pager no-legend plain full all user system failed reverse recursive value quiet lines= output= property= type= state="
	containers = "all quiet no-trunc size latest filter= format= last="
	cluster    = "all-namespaces namespace= selector= output= show-labels no-headers sort-by="
)

// leads are options that may stand between a program and its verb. None of them
// takes a value, which could look like a verb.
var leads = map[string][]string{
	"ip":        {"-4", "-6", "-br", "-brief", "-d", "-j", "-o", "-p", "-s"},
	"systemctl": {"--all", "--failed", "--no-pager", "--plain", "--user"},
}

// sameAs are programs that are called as others are.
var sameAs = map[string]string{"podman": "docker"}

// ReadingPrograms are the names of the programs that run_readonly knows.
func ReadingPrograms() (names []string) {
	for key, rule := range programs {
		if name, _, _ := strings.Cut(key, " "); !rule.shell {
			names = append(names, name)
		}
	}
	for name := range sameAs {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

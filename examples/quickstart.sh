#!/bin/sh
# The API with curl alone: uploads a video in parts, watches it, downloads the best clip, re-cuts it longer, says how it was.
#
#   API=http://127.0.0.1:8000 TOKEN=clp_... sh examples/quickstart.sh talk.mp4 [FOLDER]
#
# Needs curl, openssl, dd, sed, grep, awk. A program would read JSON properly; here a field is cut out by its name.
set -eu

file=$1
folder=${2:-clips}
: "${API:=http://127.0.0.1:8000}" "${TOKEN:?put an API token into TOKEN}"

call() { # METHOD PATH [curl's options]: the answer; an error ends the script with its problem document
  method=$1 path=$2
  shift 2
  curl --silent --show-error --fail-with-body --request "$method" --header "Authorization: Bearer $TOKEN" \
    --header 'Content-Type: application/json' "$@" "$API$path"
}
first() { grep -o "\"$1\": *\"\{0,1\}[^\",}]*" | head -n 1 | sed "s/\"$1\": *\"\{0,1\}//"; }

echo "1. announce the file"
size=$(wc -c <"$file" | tr -d ' ')
begun=$(call POST /v1/videos --header "Idempotency-Key: $(openssl rand -hex 16)" --data \
  "{\"name\": \"$(basename "$file")\", \"content_type\": \"video/mp4\", \"size_bytes\": $size, \"preferences\": {\"clips\": 2}}")
video=$(echo "$begun" | first video_id)
part_size=$(echo "$begun" | first part_size_bytes)
parts=$(echo "$begun" | first part_count)
echo "   video $video, $parts parts"

echo "2. send the parts straight to the store"
part=$(mktemp)
trap 'rm -f "$part"' EXIT
number=1
while [ "$number" -le "$parts" ]; do
  dd if="$file" of="$part" bs="$part_size" skip=$((number - 1)) count=1 2>/dev/null
  md5=$(openssl md5 -binary "$part" | openssl base64)
  signed=$(call POST "/v1/videos/$video/parts" --data \
    "{\"parts\": [{\"part_number\": $number, \"size_bytes\": $(wc -c <"$part" | tr -d ' '), \"md5\": \"$md5\"}]}")
  # the headers to send, one `Name: value` a line
  set --
  headers=$(echo "$signed" | sed 's/.*"headers": *{\([^}]*\)}.*/\1/; s/", *"/"\n"/g' | sed 's/^ *"//; s/" *: *"/: /; s/" *$//')
  IFS='
'
  for header in $headers; do set -- "$@" --header "$header"; done
  unset IFS
  curl --silent --show-error --fail-with-body --request PUT --data-binary "@$part" --header 'Content-Type:' "$@" \
    "$(echo "$signed" | first url | sed 's/\\u0026/\&/g')" >/dev/null
  number=$((number + 1))
done

echo "3. complete; a worker verifies what arrived"
call POST "/v1/videos/$video/complete" >/dev/null

echo "4. watch"
curl --silent --no-buffer --header "Authorization: Bearer $TOKEN" "$API/v1/videos/$video/events" |
  grep --line-buffered '^event\|^data' | sed -u 's/^/   /' | cut -c 1-150

echo "5. download the best clip"
mkdir -p "$folder"
clip=$(call GET "/v1/videos/$video/clips?limit=1" | first clip_id)
address=$(call GET "/v1/clips/$clip/files" | grep -o '"kind": *"video"[^}]*' | first url | sed 's/\\u0026/\&/g')
curl --silent --show-error --fail --output "$folder/best.mp4" "$address"
echo "   $folder/best.mp4"

echo "6. make it 3 seconds longer: at its beginning, or at its end where it begins the video"
shown=$(call GET "/v1/clips/$clip")
cut=$(awk -v start="$(echo "$shown" | first start_s)" -v end="$(echo "$shown" | first end_s)" \
  'BEGIN { if (start > 3) printf "{\"start_s\": %.3f}", start - 3; else printf "{\"end_s\": %.3f}", end + 3 }')
call PATCH "/v1/clips/$clip" --header 'If-Match: *' --data "$cut" >/dev/null
until call GET "/v1/clips/$clip" | grep -q '"state": *"ready"'; do sleep 2; done

echo "7. say that it was taken"
call POST "/v1/clips/$clip/feedback" --header "Idempotency-Key: $(openssl rand -hex 16)" --data '{"decision": "accepted"}' >/dev/null
echo "done"

import { editDistance } from './spelling.ts'

/** What people call a place or a zone, against its IANA name; cities that are IANA names are found without it. */
const NAMES = `
America/New_York: nyc new_york_city ny boston washington washington_dc dc miami philadelphia atlanta orlando
America/New_York: brooklyn manhattan charlotte eastern est edt et eastern_time east_coast florida
America/Chicago: dallas houston austin texas minneapolis nashville new_orleans milwaukee st_louis central cst
America/Chicago: cdt ct central_time
America/Denver: salt_lake_city colorado utah mountain mst mdt mt mountain_time
America/Phoenix: arizona tucson
America/Los_Angeles: la sf san_francisco seattle portland san_diego las_vegas vegas california sacramento
America/Los_Angeles: san_jose oakland silicon_valley pacific pst pdt pt pacific_time west_coast
America/Toronto: ottawa montreal quebec
America/Vancouver: bc
Pacific/Honolulu: hawaii maui
America/Anchorage: alaska
America/Mexico_City: mexico cdmx
America/Sao_Paulo: brazil rio rio_de_janeiro brasilia sp sampa
America/Argentina/Buenos_Aires: argentina
America/Bogota: colombia medellin
America/Santiago: chile
America/Lima: peru
Europe/London: uk england britain great_britain scotland wales manchester edinburgh glasgow birmingham bristol
Europe/London: leeds liverpool gmt bst
Europe/Dublin: ireland
Europe/Paris: france lyon marseille nice cet cest
Europe/Berlin: germany munich hamburg frankfurt cologne dusseldorf stuttgart leipzig köln münchen
Europe/Madrid: spain barcelona valencia seville
Europe/Lisbon: portugal porto
Europe/Rome: italy milan florence venice naples turin
Europe/Amsterdam: netherlands holland rotterdam the_hague
Europe/Brussels: belgium
Europe/Zurich: switzerland geneva basel zürich bern
Europe/Vienna: austria
Europe/Warsaw: poland krakow
Europe/Prague: czech_republic czechia
Europe/Athens: greece eet
Europe/Stockholm: sweden
Europe/Oslo: norway
Europe/Copenhagen: denmark
Europe/Helsinki: finland
Europe/Istanbul: turkey
Europe/Kyiv: ukraine kiev
Europe/Moscow: russia msk
Europe/Bucharest: romania
Europe/Budapest: hungary
Asia/Dubai: uae abu_dhabi
Asia/Jerusalem: israel tel_aviv
Asia/Riyadh: saudi_arabia
Asia/Karachi: pakistan lahore
Asia/Kolkata: india mumbai delhi new_delhi bangalore bengaluru chennai hyderabad pune ahmedabad goa ist kolkata calcutta
Asia/Dhaka: bangladesh
Asia/Kathmandu: nepal
Asia/Bangkok: thailand phuket chiang_mai
Asia/Ho_Chi_Minh: vietnam saigon hanoi ho_chi_minh_city
Asia/Jakarta: indonesia
Asia/Makassar: bali
Asia/Manila: philippines cebu
Asia/Kuala_Lumpur: malaysia kl
Asia/Singapore: sgt
Asia/Hong_Kong: hk hkt
Asia/Shanghai: china beijing shenzhen guangzhou
Asia/Taipei: taiwan
Asia/Seoul: korea south_korea kst busan
Asia/Tokyo: japan osaka kyoto jst
Australia/Sydney: canberra aest aedt nsw
Australia/Melbourne: victoria
Australia/Brisbane: queensland gold_coast
Australia/Perth: awst
Pacific/Auckland: new_zealand nz wellington christchurch nzst nzdt
Africa/Johannesburg: south_africa cape_town durban
Africa/Lagos: nigeria
Africa/Nairobi: kenya
Africa/Cairo: egypt
Africa/Casablanca: morocco marrakech
Africa/Accra: ghana
UTC: utc zulu
`

const known = new Map<string, string>()

function table(): Map<string, string> {
  if (known.size > 0) return known
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    const city = zone.split('/').at(-1)?.toLowerCase() ?? zone
    if (!/^(?:etc|gmt)/.test(city)) known.set(city, zone)
  }
  for (const line of NAMES.trim().split('\n')) {
    const [zone, names] = line.split(': ')
    for (const name of (names ?? '').split(' ')) known.set(name, zone ?? 'UTC')
    const city = zone?.split('/').at(-1)?.toLowerCase()
    if (zone && city) known.set(city, zone)
  }
  return known
}

/** A city with one letter wrong. */
function almost(key: string): string | undefined {
  if (key.length < 4 || key.length > 20 || /[^a-z_]/.test(key)) return undefined
  for (const [name, zone] of table()) {
    if (name.length >= 5 && name[0] === key[0] && editDistance(name, key) === 1) return zone
  }
  return undefined
}

/** "tokyo", "nyc", "pst", "Europe/Berlin" to an IANA zone. */
export function zoneOf(place: string): string | undefined {
  const trimmed = place.trim().replace(/[.?!]+$/, '')
  if (/^[a-z]+\/[a-z_/]+$/i.test(trimmed)) {
    const lower = trimmed.toLowerCase()
    const exact = Intl.supportedValuesOf('timeZone').find((z) => z.toLowerCase() === lower)
    return exact ?? [...table().values()].find((z) => z.toLowerCase() === lower)
  }
  const key = trimmed
    .toLowerCase()
    .replace(/^the /, '')
    .replace(/ (?:time|timezone|time zone|standard time)$/, '')
    .replace(/[ -]+/g, '_')
  const first = key.split(',')[0] ?? key
  return table().get(key) ?? table().get(first.replace(/_+$/, '')) ?? almost(key)
}

export const ZONE_ABBREVIATION =
  '(?:e[sd]?t|p[sd]?t|c[sd]t|m[sd]t|gmt|utc|bst|cest|cet|ist|jst|kst|sgt|hkt|a[ew][sd]t|nz[sd]t|' +
  'eastern|pacific|central|mountain)'
export const placeOfZone = (zone: string) => (zone.split('/').at(-1) ?? zone).replaceAll('_', ' ')

import { raw, reG } from './pattern.ts'

/** Things one lists without commas: "milk eggs and bread". Two-word goods stay together. */
const GOODS = new Set(
  (
    'milk eggs egg bread butter cheese yogurt yoghurt cream coffee tea sugar salt pepper flour ' +
    'rice pasta noodles cereal oats oatmeal ' +
    'honey jam apples apple bananas banana oranges orange lemons lemon limes lime grapes berries ' +
    'strawberries blueberries mango mangoes ' +
    'avocado avocados tomatoes tomato potatoes potato onions onion garlic ginger carrots carrot ' +
    'lettuce spinach kale broccoli cauliflower ' +
    'cucumber cucumbers peppers mushrooms corn beans peas lentils chickpeas tofu chicken beef pork ' +
    'bacon ham sausages sausage fish salmon ' +
    'tuna shrimp turkey steak mince wine beer water juice soda chips crackers cookies biscuits ' +
    'chocolate candy snacks nuts almonds ' +
    'peanuts oil vinegar ketchup mustard mayo mayonnaise salsa hummus soap shampoo conditioner ' +
    'toothpaste toothbrush deodorant tissues ' +
    'napkins detergent bleach sponges batteries bulbs diapers nappies wipes foil candles stamps ' +
    'envelopes sunscreen socks shirts pants ' +
    'underwear shoes charger passport hat sunglasses towel towels swimsuit jacket umbrella ' +
    'toothbrushes medicine vitamins paneer dal atta ' +
    'ghee curd basil parsley cilantro coriander mint thyme rosemary yeast celery zucchini pears ' +
    'peaches plums cherries melon watermelon pineapple'
  ).split(' '),
)
const PAIRS = reG(
  raw`\b(?:(?:olive|coconut|vegetable|sunflower) oil|peanut butter|ice cream|toilet paper|`,
  raw`paper towels?|dish soap|sour cream|cream cheese|(?:oat|almond|soy|soya|coconut|whole|`,
  raw`skim) milk|brown (?:rice|sugar)|baking (?:soda|powder)|soy sauce|hot sauce|tomato (?:sauce|`,
  raw`paste)|ground beef|chicken breasts?|sweet potatoes|green (?:beans|tea)|bell peppers|`,
  raw`orange juice|apple juice|cat (?:food|litter)|dog food|trash bags|bin bags|garbage bags|`,
  raw`light bulbs|washing powder|laundry detergent|coffee (?:beans|filters)|sparkling water|`,
  raw`frozen peas|granola bars|phone charger|hand soap|shower gel)\b`,
)

const MAX_ITEMS = 30

function goods(phrase: string): string[] {
  const joined = phrase.replace(PAIRS, (pair) => pair.replace(/\s/g, '_'))
  const words = joined.split(/\s+/).filter(Boolean)
  const all = words.length > 1 && words.every((w) => w.includes('_') || GOODS.has(w.toLowerCase()))
  return (all ? words : [joined]).map((w) => w.replaceAll('_', ' '))
}

/** "milk eggs and bread", "milk, 2 loaves of bread & jam" → one entry each. */
export function splitItems(text: string): string[] {
  const parts = text.split(/\s*(?:,|;|\n|\s&\s|\+|\band\b|\bplus\b|\balso\b)\s*/i).filter((p) => p.trim())
  return parts
    .flatMap((p) => goods(p.trim().replace(/^(?:some|a|an|the|more|also|get|buy)\s+(?=\w)/i, '')))
    .slice(0, MAX_ITEMS)
}

export const isGood = (word: string) => GOODS.has(word.toLowerCase())

"""What is said in the generated talks about several subjects: themes that share everyday words but not their own.

Each theme is a run of sentences in the order in which a speaker would say them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_THEMES = {
    "bread": """
        I started baking because the bakery on our street closed and I missed a real crust.
        You only need flour and water and salt, and the yeast is already on the grain.
        My first loaf was flat because I had not waited for the dough to rise.
        A wet dough is hard to shape, but it gives you the big holes that people like.
        I keep the starter in a jar in the fridge and feed it with flour every week.
        The oven has to be very hot, and I put a tray of water at the bottom for the steam.
        When the crust is dark you can knock on the loaf, and a hollow sound means it is baked.
        Rye flour makes the crumb heavy, so I mix it half and half with wheat.
        My daughter kneads the dough by hand, although the mixer would be faster.
        If you slice the loaf while it is warm the crumb will be sticky and you ruin it.
        We now bake four loaves every Saturday and give two of them to the neighbours.
        The bakery that opened later uses frozen dough, and you can taste that in the crust.
    """,
    "sailing": """
        We bought the boat from an old captain who could not climb on deck any more.
        The mast was fine, but every rope on her was rotten and the sails had holes.
        You learn quickly that the wind at sea is never where the forecast says it is.
        On the first crossing we met waves of four metres and I was sick for two days.
        My wife took the helm at night while I slept with my boots on in the cabin.
        You reef the sails before you think you have to, because afterwards it is too late.
        The harbour at dawn with the anchor down is the calmest place that I know.
        We carry water for three weeks, and everybody on board washes with salt water.
        A container that floats just under the surface can sink a small boat in minutes.
        The radio is on all day, and we report our position to the coast every morning.
        When the keel hit the sand we had to wait for the tide to lift us off again.
        Next summer we will sail north along the coast until the ice stops the boat.
    """,
    "sleep": """
        Most of my patients come because they lie awake and look at the clock.
        Deep sleep comes in the first half of the night, and dreams mostly in the second half.
        If you drink coffee in the afternoon, half of the caffeine is still there at bedtime.
        The bright screen of a phone tells your brain that it is still daylight.
        A bedroom should be dark and cool, cooler than most people keep it.
        People who snore often stop breathing for some seconds and wake up tired.
        We ask patients to keep a diary of when they went to bed and when they woke up.
        Pills make you drowsy, but they do not give you the deep sleep that you need.
        A short nap after lunch helps, and a long one steals from the night.
        Students who stay awake the whole night forget most of what they learned.
        Teenagers are not lazy, their body clock is later and school starts too early for it.
        If you get up at the same hour every morning, your tired brain falls asleep by itself.
    """,
    "money": """
        When I was twenty six I owed forty thousand dollars on three credit cards.
        The interest alone was more than my rent, and the debt grew every month.
        I wrote a budget on paper and listed every single thing that we paid for.
        I paid the smallest debt first, because a quick success keeps you saving.
        Banks earn their money with the fees that you do not notice on the statement.
        After two years the cards were paid and I opened a savings account.
        Then I put ten percent of my salary into an index fund, month after month.
        Nobody can predict the market, so you invest the same amount in good and bad years.
        You need three months of expenses in cash before you buy a single share.
        Inflation eats your savings when they lie in an account without interest.
        My parents rented all their life and had more wealth than friends with a mortgage.
        The tax office gave me back a thousand dollars, because the pension payments count.
    """,
    "bees": """
        A hive has one queen, and she lays two thousand eggs a day in the summer.
        The workers live for six weeks and fly themselves to death for the honey.
        When a bee finds flowers she dances on the comb to tell the others where they are.
        In spring the colony swarms, and half of the bees leave with the old queen.
        You catch a swarm with a box and a brush, and they are quite gentle then.
        Mites are the greatest danger, they sit on the larvae and carry a virus.
        I wear a veil but no gloves, and the smoke keeps the hive calm.
        Honey from the lime trees is green and tastes of mint, and the wild one is darker.
        The wax is worth more than the honey if you make candles of it.
        Pesticides on the fields make the bees lose their way back to the hive.
        In winter they form a ball around the queen and warm her with their wings.
        Without the bees there would be no apples and no almonds in the orchard.
    """,
    "programming": """
        Our software was ten years old and nobody understood the payment module.
        Every release broke something, because there were no tests for the old code.
        We did not rewrite it, we put tests around it and changed one function at a time.
        A bug that you find while you type costs a minute, and one in production a week.
        The compiler is your friend if you let the types describe what the data may be.
        We review each other's code before it is merged, and small changes get read.
        The database was slow because one query read the whole table for every user.
        After the outage we wrote down what happened without blaming the engineer.
        Documentation gets stale, but a good name for a variable does not.
        Junior developers learn fastest when they fix bugs together with a senior one.
        We deploy to the servers ten times a day now, and each deploy is boring.
        The best code that I ever wrote was the module that I deleted.
    """,
    "violin": """
        My teacher made me play scales for a year before I was allowed a melody.
        The violin has no frets, so your ear has to find every single note.
        You draw the bow straight, and the sound changes with the weight of your arm.
        An old instrument is not better by itself, but the wood has dried and sings.
        The strings were made of gut once, and in a damp concert hall they went flat.
        Before a concert my hands are cold, so I hold a cup of tea in the dressing room.
        In the orchestra you listen to the leader and breathe with her before you start.
        A quartet is like a marriage of four people who argue about the tempo.
        I practise the difficult passage slowly, until my fingers know it in the dark.
        The conductor stopped the rehearsal because the second violins came in too early.
        Children hear when a note is false long before they can play the melody.
        When the last chord ended, the audience was silent before the applause came.
    """,
    "mars": """
        The hard part is to land something heavy, because the atmosphere is so thin.
        A parachute alone is not enough, the rocket has to brake with its engine.
        The launch window opens every twenty six months, when the planets stand right.
        The crew would travel for seven months in a ship as large as a bus.
        Radiation is the greatest risk for the astronauts outside of the magnetic field.
        The rover drilled into the red rock and found clay that was once a lake.
        There is ice below the ground, and you can make oxygen and fuel from it.
        A signal from the planet needs up to twenty minutes, so the rover steers itself.
        The dust covers the solar panels, and one storm ended a mission of fourteen years.
        Gravity there is a third of ours, and nobody knows what that does to bones.
        The telescope on the orbiter photographed the tracks of the rover in the sand.
        I think that humans will walk on the planet before my children are grown up.
    """,
}

THEMES: Mapping[str, Sequence[str]] = {
    name: tuple(line.strip() for line in text.strip().splitlines()) for name, text in _THEMES.items()
}
